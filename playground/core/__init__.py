"""What every part shares: errors, configuration, components, registries and neural building blocks."""
