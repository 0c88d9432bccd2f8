"""The live view: a page in the browser of this machine that shows a run while it goes on.

Stages call `show_photos`, `show` and `watched` of `utils.viewer.live` whether or not anybody looks:
without a page these do nothing. Only `utils.viewer.page` knows viser, which serves it.
"""
