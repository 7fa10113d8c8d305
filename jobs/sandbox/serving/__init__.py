"""What the three vendor servers share: faults, quotas, the request log and the record pages."""
