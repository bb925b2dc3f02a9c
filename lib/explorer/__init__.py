"""The face explorer as a page: any web server shows it, and the networks run in the reader's browser."""
