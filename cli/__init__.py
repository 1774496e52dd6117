"""The ``aigw`` command: what people do to a store, embedded or deployed."""
