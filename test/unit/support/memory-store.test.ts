import { blobStoreContract } from '../../contract/blob-store.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { tempFolder } from '../../support/temp-folder.ts';

blobStoreContract('a store in memory', (t) => {
  const store = new MemoryStore();
  return { store, incoming: tempFolder(t), plant: (digest, bytes) => store.plant(digest, bytes) };
});
