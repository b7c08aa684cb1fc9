"""Translators for hubs: a glossary, Apertium and Azure Translator, and what goes around each of them."""
