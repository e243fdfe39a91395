/** The selections over the rows of SQLite. Each method does its statements in one turn. */
import type { IndexRows } from '../index-rows.ts';
import type { Selections } from './selections.ts';

/** Rejects as the interface says. */
export function createSqliteSelections(rows: IndexRows): Selections {
  return {
    of: async (block, image) => rows.selections(block, image),
    images: async (block) => rows.selectedImages(block),
    ofTag: async (image, tag) => rows.selectionsOf(image, tag),
    count: async (block) => rows.countSelections(block),
    change: async (block, image, { put, drop }) =>
      rows.transaction(() => {
        const known = (tag: string) => rows.selection(block, image, tag)?.digest;
        const isMoved = put.some(({ tag, digest }) => (known(tag) ?? digest) !== digest);
        for (const tag of drop) rows.dropSelection(block, image, tag);
        for (const selection of put) rows.putSelection(block, image, selection);
        if (isMoved || drop.length > 0) rows.unpinAll();
      }),
    keepOnly: async (blocks) =>
      rows.transaction(() => {
        const others = rows.selectingBlocks().filter((block) => !blocks.includes(block));
        others.forEach(rows.dropSelections);
        if (others.length > 0) rows.unpinAll();
      }),
  };
}
