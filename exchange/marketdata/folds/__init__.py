"""The compiled part of the views: what happens for each event, on flat memory that the views own and read."""
