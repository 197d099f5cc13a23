"""Pictures: styles, what a request for one says, and the key it is kept under."""
