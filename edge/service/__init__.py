"""Living as a service: notifications, logging, figures, one instance a camera."""
