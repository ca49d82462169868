"""What everybody may see of the market, and what each account may see of its orders: pure builders fed with events."""
