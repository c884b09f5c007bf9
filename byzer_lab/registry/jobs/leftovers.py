"""What a killed group of training processes leaves reserved.

Ray Train has a cleaner of its own, but it asks Ray's dashboard, which an embedded head doesn't
have; Ray itself frees the placement group of a dead actor only with the whole program.
"""

from __future__ import annotations

from typing import Any

CONTROLLER = "TrainController"
"""Ray Train's actor that reserves a group's places."""


def free_leftovers() -> int:
    """Remove the placement groups of controllers that are dead.

    Returns:
        How many there were.
    """
    import ray
    from ray._private.state import state
    from ray.core.generated.gcs_pb2 import PlacementGroupTableData
    from ray.util.placement_group import PlacementGroup

    found: list[bytes] = state._connect_and_get_accessor().get_placement_group_table()
    groups: list[Any] = [PlacementGroupTableData.FromString(data) for data in found]
    freed = 0
    for group in groups:
        removed = group.state == PlacementGroupTableData.REMOVED
        if removed or group.is_detached or not group.creator_actor_dead:
            continue
        creator = state.actor_table(group.creator_actor_id.hex())
        if creator.get("ActorClassName", "").rpartition(".")[2] != CONTROLLER:
            continue
        ray.util.remove_placement_group(
            PlacementGroup(ray.PlacementGroupID(group.placement_group_id))
        )
        freed += 1
    return freed
