import { testOutboxStore } from '../../contract/outbox-store.ts';
import { createMemoryOutbox } from '../../support/memory-outbox.ts';

testOutboxStore(async () => createMemoryOutbox());
