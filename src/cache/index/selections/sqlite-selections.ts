/** The selections over the rows of SQLite. What changes of one image is one transaction, with the facts of it. */
import { setImmediate as turn } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { selectionChange, selectionGone } from '../../shared/state-facts.ts';
import { type FactRecorder, noFacts } from '../facts/fact-recorder.ts';
import type { IndexRows } from '../index-rows.ts';
import type { SelectionChange, Selections } from './selections.ts';

/** Rejects as the interface says. */
export function createSqliteSelections(rows: IndexRows, facts: FactRecorder = noFacts): Selections {
  function change(block: string, image: string, { put, drop }: SelectionChange): void {
    rows.transaction(() => {
      let isMoved = drop.length > 0;
      for (const tag of drop)
        if (rows.dropSelection(block, image, tag)) facts.changed(selectionGone(image, block, tag));
      for (const selection of put) {
        const known = rows.selection(block, image, selection.tag);
        if (isDeepStrictEqual(known, selection)) continue;
        isMoved ||= known !== undefined && known.digest !== selection.digest;
        rows.putSelection(block, image, selection);
        facts.changed(selectionChange(image, block, selection));
      }
      if (isMoved) rows.unpinAll();
    });
  }

  return {
    of: async (block, image) => rows.selections(block, image),
    images: async (block) => rows.selectedImages(block),
    ofTag: async (image, tag) => rows.selectionsOf(image, tag),
    count: async (block) => rows.countSelections(block),
    change: async (...changed) => change(...changed),
    async keepOnly(blocks) {
      for (const block of rows.selectingBlocks().filter((one) => !blocks.includes(one))) {
        for (const image of rows.selectedImages(block)) {
          const drop = rows.selections(block, image).map(({ tag }) => tag);
          change(block, image, { put: [], drop });
          await turn();
        }
      }
    },
  };
}
