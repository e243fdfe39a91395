import { testCatalogue } from '../../contract/catalogue.ts';
import { testEvictionOrder } from '../../contract/eviction-order.ts';
import { testInventory } from '../../contract/inventory.ts';
import { testSelections } from '../../contract/selections.ts';
import { createMemoryIndex } from '../../support/memory-index.ts';

const open = async () => createMemoryIndex();
testCatalogue(open);
testInventory(open);
testEvictionOrder(open);
testSelections(open);
