"""The compiled part of surveillance: what is counted for each event, on flat memory that the detectors own."""
