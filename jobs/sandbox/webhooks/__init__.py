"""Webhook deliveries of the sandbox's vendors to a receiver on this machine."""
