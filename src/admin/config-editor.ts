/**
 * Edits of the files that the configuration in force came from: entrepot.toml, registries.conf and its drop-ins.
 *
 *   open     text and print of a file
 *   review   the loader reads the text as if it were saved: errors, warnings, and the difference
 *   save     the file must be as it was opened, and the text without errors; then rename, then reload
 *
 * No path comes from a client: a file is one of those that the last reading of the configuration named.
 */
import { createHash } from 'node:crypto';
import { accessSync, constants, realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { structuredPatch } from 'diff';
import type { ConfigWarning } from '../config/config.ts';
import { readTextFile } from '../config/files/text-file.ts';
import { type LoadOptions, loadWhatIsRight, wholeConfig } from '../config/load.ts';
import { EntrepotError } from '../errors.ts';
import { replaceFileSafely } from '../lib/safe-write.ts';
import { systemCode } from '../lib/thrown.ts';
import { warningsOf } from './config-warnings.ts';

export interface ConfigEditor {
  /** Files that were read, entrepot.toml first. */
  files(): readonly EditableFile[];
  /** Throws EntrepotError USAGE for a file that is not one of `files`. */
  open(path: string): OpenedFile;
  review(edit: Edit): Promise<ReviewedEdit>;
  /** Throws EntrepotError: CONFIG_INVALID for a text with errors, CONFIG_CHANGED, CONFIG_UNREADABLE; what a reload throws comes after the file was saved. */
  save(edit: Edit & { readonly print: string }): Promise<void>;
}

export interface EditableFile {
  readonly path: string;
  /** Why it cannot be written; undefined if it can. */
  readonly problem: string | undefined;
}

export interface OpenedFile extends EditableFile {
  readonly text: string;
  /** Of the text: it tells whether the file has changed since. */
  readonly print: string;
}

export interface Edit {
  readonly path: string;
  readonly text: string;
}

export interface ReviewedEdit {
  readonly errors: readonly EntrepotError[];
  readonly warnings: readonly ConfigWarning[];
  /** Of the text that the file has now. */
  readonly print: string;
  readonly lines: readonly ChangedLine[];
}

export interface ChangedLine {
  readonly kind: 'same' | 'removed' | 'added' | 'gap';
  readonly text: string;
  /** In the text that has the line: of a removed one in the file, else in the draft. 1-based; undefined for a gap. */
  readonly line: number | undefined;
}

export interface ConfigEditorDeps {
  /** As the server reads its configuration now. */
  readonly options: () => LoadOptions;
  /** Puts in force what the files say. Throws EntrepotError if it cannot. */
  readonly reload: () => Promise<void>;
}

/** Lines around a change. */
const context = 3;

/** Reads the files at each call. */
export function createConfigEditor({ options, reload }: ConfigEditorDeps): ConfigEditor {
  function files(): readonly EditableFile[] {
    const { serverFile, registries } = loadWhatIsRight(options());
    const paths = [...(serverFile === undefined ? [] : [serverFile]), ...(registries?.files ?? [])];
    return paths.map((path) => ({ path, problem: whyNotWritable(path) }));
  }

  function open(path: string): OpenedFile {
    const file = files().find((one) => one.path === path);
    const text = file && readTextFile(file.path);
    if (!file || text === undefined)
      throw new EntrepotError('USAGE', 'this file is no part of the configuration now: open it again');
    return { ...file, text, print: printOf(text) };
  }

  async function review({ path, text }: Edit): Promise<ReviewedEdit> {
    const opened = open(path);
    const drafts = new Map([[path, asSaved(text, opened.text)]]);
    const draft = loadWhatIsRight({ ...options(), drafts });
    const lines = difference(opened.text, drafts.get(path) ?? '');
    return { errors: draft.errors, warnings: await warningsOf(draft), print: opened.print, lines };
  }

  return {
    files,
    open,
    review,
    async save({ path, text, print }) {
      const opened = open(path);
      if (opened.problem !== undefined)
        throw new EntrepotError('CONFIG_UNREADABLE', opened.problem, { file: path });
      if (opened.print !== print) {
        const message =
          'has changed since it was opened: your text is not saved; look at the difference again';
        throw new EntrepotError('CONFIG_CHANGED', message, { file: path });
      }
      const saved = asSaved(text, opened.text);
      wholeConfig(loadWhatIsRight({ ...options(), drafts: new Map([[path, saved]]) }));
      try {
        replaceFileSafely(path, saved);
      } catch (error) {
        const message = `cannot be written: ${systemCode(error) ?? String(error)}`;
        throw new EntrepotError('CONFIG_UNREADABLE', message, { file: path, cause: error });
      }
      await reload();
    },
  };
}

/** As browsers send it, each line ends with CR LF. The file keeps the ends that it has. */
function asSaved(text: string, before: string): string {
  const lines = text.replaceAll('\r\n', '\n');
  const ended = lines === '' || lines.endsWith('\n') ? lines : `${lines}\n`;
  return before.includes('\r\n') ? ended.replaceAll('\n', '\r\n') : ended;
}

function printOf(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}

/** A file is replaced by a new one, so its folder must be writable, too, and its owner must be one that we can give. */
function whyNotWritable(path: string): string | undefined {
  try {
    const real = realpathSync(path);
    accessSync(real, constants.W_OK);
    accessSync(dirname(real), constants.W_OK);
    const uid = process.getuid?.();
    if (uid !== 0 && statSync(real).uid !== uid)
      return 'belongs to another user than the one that runs Entrepot';
    return undefined;
  } catch (error) {
    return `is not writable for the user that runs Entrepot (${systemCode(error) ?? String(error)})`;
  }
}

function difference(before: string, after: string): readonly ChangedLine[] {
  const { hunks } = structuredPatch('', '', before, after, '', '', { context });
  return hunks.flatMap(({ oldStart, newStart, lines }, index) => {
    let [old, now] = [oldStart, newStart];
    const shown = lines.flatMap((line): ChangedLine[] => {
      const text = line.slice(1);
      if (line.startsWith('-')) return [{ kind: 'removed', text, line: old++ }];
      if (line.startsWith('+')) return [{ kind: 'added', text, line: now++ }];
      // "No newline at end of file"
      if (line.startsWith('\\')) return [];
      old += 1;
      return [{ kind: 'same', text, line: now++ }];
    });
    const gap: ChangedLine = { kind: 'gap', text: '', line: undefined };
    return index === 0 ? shown : [gap, ...shown];
  });
}
