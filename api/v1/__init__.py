"""Our own dialect: registry, issuance, usage, ledger and the operator's desk."""
