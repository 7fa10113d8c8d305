"""What people and programs see: pages, API and the services they share."""
