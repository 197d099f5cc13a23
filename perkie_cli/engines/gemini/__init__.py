"""Stylizing by the Gemini image models, through google-genai."""
