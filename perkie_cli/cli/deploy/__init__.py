"""``perkie deploy``, in parts."""
