import { testReplicaStore } from '../../contract/replica-store.ts';
import { createMemoryReplicas } from '../../support/memory-replicas.ts';

testReplicaStore(async () => createMemoryReplicas());
