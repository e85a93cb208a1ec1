//! Redis behind Sentinels, as a Cluster, and after a fail-over that lost writes.
