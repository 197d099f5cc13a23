"""A local server that speaks the Gemini API's REST protocol, draws with the local engine, and fails as planned."""
