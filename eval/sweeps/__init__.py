"""What is measured at several settings, or in several runs: how it is compared, drawn and put on a page."""
