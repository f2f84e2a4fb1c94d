"""The YAML configuration as strict pydantic models, and the registry of experiments, studies and tools."""
