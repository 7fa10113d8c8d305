"""Starting, stopping and shipping the product: `make up`, `make down`, `make reset`."""
