import { openIndex } from '../../../../src/cache/index/open-index.ts';
import { createSqliteOutbox } from '../../../../src/cache/index/outbox/sqlite-outbox.ts';
import { testOutboxStore } from '../../../contract/outbox-store.ts';

testOutboxStore(async (t) => {
  const { index } = openIndex(':memory:', 0);
  t.after(() => index.close());
  return createSqliteOutbox(index);
});
