"""The one exception for what a user can mend."""


class UserError(Exception):
    """An error that a user caused and can mend.

    The message names the file or key, what was found, what was expected and what to do, in one
    line. Scripts print it without a traceback and exit with status 2 (`utils.stage.job.run_stage`).
    """
