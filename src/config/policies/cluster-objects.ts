/**
 * What a server remembers of the objects of its cluster, in its data folder, so that it starts without the cluster and commands
 * explain what is in force:
 *
 *   kubernetes-objects.json            as they were seen last
 *   kubernetes-objects-in-force.json   as they were when a configuration was last made of them
 *
 * They differ while the cluster has objects that cannot be used. Both are lists of objects, in one order.
 */
import { join } from 'node:path';
import { readTextFile } from '../files/text-file.ts';

/** Objects as YAML or JSON. `file` is for messages. */
export interface ObjectsText {
  readonly file: string;
  readonly text: string;
}

/** Bytes. What is watched is bounded, too (`kubernetes/object-table.ts`). */
const maxObjectsBytes = 8 * 1024 * 1024;

/** The file of what was seen last. */
export function seenObjectsFile(data: string): string {
  return join(data, 'kubernetes-objects.json');
}

/** The file of what could be used last. */
export function usedObjectsFile(data: string): string {
  return join(data, 'kubernetes-objects-in-force.json');
}

/** Undefined if there is no such file. Throws EntrepotError CONFIG_UNREADABLE. */
export function readSeenObjects(data: string): ObjectsText | undefined {
  return readObjectsFile(seenObjectsFile(data));
}

/** Undefined if there is no such file. Throws EntrepotError CONFIG_UNREADABLE. */
export function readUsedObjects(data: string): ObjectsText | undefined {
  return readObjectsFile(usedObjectsFile(data));
}

function readObjectsFile(file: string): ObjectsText | undefined {
  const text = readTextFile(file, { maxBytes: maxObjectsBytes });
  return text === undefined ? undefined : { file, text };
}
