"""Enlarging what is safe: pictures, videos and parts of them, after redaction.

`enhancer` is the front door. `region` cuts a part out, `planes` enlarges a picture in the form it
came in, `alpha` and `colour` help it, `limits` says how large a result may be, and `choosing` which
model is meant.
"""
