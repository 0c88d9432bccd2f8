"""Configs of the reference implementation, which are read as far as their keys mean the same here.

FMHR (https://github.com/agnJason/FMHR), conf/*.conf.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Keys of the reference implementation that no longer mean anything, and what took their place.
RETIRED_KEYS = {
    "is_continue": "an interrupted run continues by itself; --overwrite starts afresh",
    "sap_res": "it was never read",
    "use_rgb": "it was never read",
    "albedo_res": "it was never read",
    "sig": "it was never read",
    "sh_res": "it was never read",
    "num_sample": "it was never read",
    "grid_weight": "it was never read",
    "need_mask": "it was never read",
    "batch": "all views are rendered in every step",
    "epoch_albedo": "albedo and light start in closed form; see ham_levels",
    "epoch_sfs": "see steps in ham_levels",
    "lr": "see lr in ham_levels",
    "nr_input_mesh_dire": "neural_render.py starts from out_mesh_dire",
    "input_pt_dire": "repose.py reads what mesh_sfs_optim.py wrote",
}
FEWEST_RETIRED = 3  # in a file of the reference's; its shipped ones hold 12 and more
# Keys that mean something else here: other units, or a choice that is made otherwise.
OTHER_MEANING = (
    "num",
    "sfs_weight",
    "albedo_weight",
    "lap_weight",
    "mask_weight",
    "edge_weight",
    "delta_weight",
    "albedo_lr",
    "sh_lr",
)
START = "input_mesh_dire"  # of a data set, the reference takes annotations where it finds no such


def without_foreign_keys(data: Mapping[str, Any], source: str) -> dict[str, Any]:
    """The keys of a config that mean here what its author meant; what is passed over is printed.

    Only of a config of the reference implementation, which its retired keys tell; others stay as
    they are.
    """
    retired = [key for key in data if key in RETIRED_KEYS]
    if len(retired) < FEWEST_RETIRED:
        return dict(data)
    other = [key for key in OTHER_MEANING if key in data]
    if data.get("data_type", "demo") != "demo" and START in data:
        other.append(START)
    print(
        f"note: {source} is the reference implementation's: {len(retired)} keys that mean nothing "
        f"here are passed over, and {', '.join(other)} keep this suite's values, in whose units "
        "they are (conf/demo_sfs.conf)"
    )
    return {key: value for key, value in data.items() if key not in {*retired, *other}}
