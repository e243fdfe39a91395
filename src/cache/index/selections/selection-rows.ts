/** The selections of the index. Each method runs in one turn. */
import type { Database } from 'better-sqlite3';
import type { Digest } from '../../../oci/digest.ts';
import { digestKey, keyDigest } from '../digest-key.ts';
import type { Selection } from './selections.ts';

export interface SelectionRows {
  selections(block: string, image: string): Selection[];
  selectedImages(block: string): string[];
  selectionsOf(image: string, tag: string): (Selection & { readonly block: string })[];
  countSelections(block: string): number;
  /** Undefined where there is none. */
  selection(block: string, image: string, tag: string): Selection | undefined;
  putSelection(block: string, image: string, selection: Selection): void;
  /** Whether it was there. */
  dropSelection(block: string, image: string, tag: string): boolean;
  /** Blocks that have selections. */
  selectingBlocks(): string[];
  /** By block, image and tag, from after `after`. */
  selectionsFrom(after: SelectionPlace | undefined, limit: number): PlacedSelection[];
}

export interface SelectionPlace {
  readonly block: string;
  readonly image: string;
  readonly tag: string;
}

export interface PlacedSelection extends Selection, SelectionPlace {}

interface Row {
  readonly block: string;
  readonly tag: string;
  readonly digest: Buffer;
  readonly since: number | null;
  readonly listings: number;
}

/** The table, as its step of the migrations makes it. */
export const selectionSchema = `
  CREATE TABLE selections (
    block TEXT NOT NULL,                  -- name of a [[sync]]
    image TEXT NOT NULL,
    tag TEXT NOT NULL,                    -- or a digest that is selected by itself
    digest BLOB NOT NULL,                 -- as in 'contents'; it need not be there
    gone INTEGER,                         -- epoch ms of the first listing without it; NULL: selected
    listings INTEGER NOT NULL,            -- complete ones in a row without it
    PRIMARY KEY (block, image, tag)
  ) WITHOUT ROWID;
  CREATE INDEX selections_tag ON selections (image, tag, block);
  CREATE INDEX selections_digest ON selections (digest, block);
  `;

/** Prepares its statements at once; every method throws what SQLite throws. */
export function createSelectionRows(db: Database): SelectionRows {
  const columns = 'block, tag, digest, gone AS since, listings';
  const ofImage = db.prepare<[string, string], Row>(
    `SELECT ${columns} FROM selections WHERE block = ? AND image = ? ORDER BY tag`,
  );
  const ofTag = db.prepare<[string, string], Row>(
    `SELECT ${columns} FROM selections WHERE image = ? AND tag = ? ORDER BY block`,
  );
  const one = db.prepare<[string, string, string], Row>(
    `SELECT ${columns} FROM selections WHERE block = ? AND image = ? AND tag = ?`,
  );
  const images = db
    .prepare<[string], string>('SELECT DISTINCT image FROM selections WHERE block = ? ORDER BY image')
    .pluck();
  const count = db.prepare<[string], number>('SELECT count(*) FROM selections WHERE block = ?').pluck();
  const put = db.prepare<[string, string, string, Buffer, number | null, number]>(`
    INSERT INTO selections (block, image, tag, digest, gone, listings) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET digest = excluded.digest, gone = excluded.gone, listings = excluded.listings`);
  const drop = db.prepare<[string, string, string]>(
    'DELETE FROM selections WHERE block = ? AND image = ? AND tag = ?',
  );
  const nextBlock = db
    .prepare<[string], string | null>('SELECT min(block) FROM selections WHERE block > ?')
    .pluck();
  const from = db.prepare<[string, string, string, number], Row & { readonly image: string }>(`
    SELECT ${columns}, image FROM selections WHERE (block, image, tag) > (?, ?, ?) ORDER BY block, image, tag LIMIT ?`);

  return {
    selections: (block, image) => ofImage.all(block, image).map(asSelection),
    selectedImages: (block) => images.all(block),
    selectionsOf: (image, tag) =>
      ofTag.all(image, tag).map((row) => ({ ...asSelection(row), block: row.block })),
    countSelections: (block) => count.get(block) ?? 0,
    selection(block, image, tag) {
      const row = one.get(block, image, tag);
      return row && asSelection(row);
    },
    putSelection(block, image, { tag, digest, gone }) {
      put.run(block, image, tag, digestKey(digest), gone?.since ?? null, gone?.listings ?? 0);
    },
    dropSelection: (block, image, tag) => drop.run(block, image, tag).changes > 0,
    selectingBlocks() {
      const blocks: string[] = [];
      for (let block = nextBlock.get(''); block; block = nextBlock.get(block)) blocks.push(block);
      return blocks;
    },
    selectionsFrom: (after, limit) =>
      from
        .all(after?.block ?? '', after?.image ?? '', after?.tag ?? '', limit)
        .map((row) => ({ ...asSelection(row), block: row.block, image: row.image })),
  };
}

function asSelection({ tag, digest, since, listings }: Row): Selection {
  return { tag, digest: keyDigest(digest) as Digest, gone: since === null ? undefined : { since, listings } };
}
