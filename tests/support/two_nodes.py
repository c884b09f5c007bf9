"""A Ray cluster of two nodes on one machine, the second one with GPUs that are only numbers.

Run as a program: it prints the address, ends the second node at the first line of its input, and
ends itself when its input ends.
"""

import sys

from ray.cluster_utils import Cluster

MEMORY = {"object_store_memory": 80_000_000}

if __name__ == "__main__":
    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 1, "include_dashboard": False, **MEMORY},
    )
    try:
        node = cluster.add_node(num_cpus=1, num_gpus=2, resources={"second": 1}, **MEMORY)
        print(cluster.address, flush=True)
        if sys.stdin.readline():
            cluster.remove_node(node)
            print("ended", flush=True)
            sys.stdin.read()
    finally:
        cluster.shutdown()
