"""The same services over HTTP: routes translate, nothing more."""
