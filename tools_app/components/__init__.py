"""The design system: stateless view functions, and the display models they draw."""
