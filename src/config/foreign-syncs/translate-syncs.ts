/**
 * What another tool's file says to bring, as `[[sync]]` blocks. Each block is read back by the reader of entrepot.toml: one that it
 * would refuse is left out, with the reason. Nothing is run, and no host is asked.
 */
import { EntrepotError } from '../../errors.ts';
import { foreignWords } from '../../lib/foreign-words.ts';
import { hostOf } from '../../oci/reference.ts';
import type { ConfigWarning } from '../config.ts';
import { readServerToml } from '../server-toml.ts';
import { parseYaml } from '../yaml/yaml-document.ts';
import { nameOfDraft, textOfDraft } from './draft-text.ts';
import { draftsOfRegsync, isRegsyncFile } from './regsync.ts';
import { draftsOfSkopeo, isSkopeoFile } from './skopeo.ts';

export interface TranslatedBlock {
  readonly name: string;
  readonly source: string;
  /** Of its entry in the other file. */
  readonly line: number;
  /** Text of entrepot.toml. */
  readonly text: string;
}

export interface TranslatedSyncs {
  readonly tool: 'regsync' | 'skopeo';
  readonly blocks: readonly TranslatedBlock[];
  /** What the blocks do not say, in the order of the lines. */
  readonly warnings: readonly ConfigWarning[];
  /** Entries, or repositories, that have no block. */
  readonly leftOut: number;
}

/** `file`: for messages. `taken`: names of blocks that there are already. Throws EntrepotError CONFIG_INVALID for a file that is no YAML, or none of a tool that is known. */
export function translateSyncs(text: string, file: string, taken: readonly string[] = []): TranslatedSyncs {
  const [root] = parseYaml(text, file, { scalars: 'text', merge: true });
  if (root?.kind !== 'map' || !(isRegsyncFile(root) || isSkopeoFile(root))) {
    const message =
      'is no file of a tool that is known here: regsync has a list "sync", skopeo a map "images" for each registry';
    throw new EntrepotError('CONFIG_INVALID', message, { file });
  }
  const warnings: ConfigWarning[] = [];
  let leftOut = 0;
  const losses = {
    warn(line: number, message: string) {
      warnings.push({ file, line, message: foreignWords(message, { max: 400 }) });
    },
    leaveOut(line: number, message: string) {
      leftOut += 1;
      losses.warn(line, `has no block: ${message}`);
    },
  };
  const isRegsync = isRegsyncFile(root);
  const drafts = isRegsync ? draftsOfRegsync(root, losses) : draftsOfSkopeo(root, losses);
  const used = new Set(taken);
  const blocks = drafts.flatMap((draft): readonly TranslatedBlock[] => {
    const name = nameOfDraft(draft, used);
    const written = textOfDraft(name, draft);
    const problem = problemOf(written);
    if (problem !== undefined) {
      losses.leaveOut(draft.line, `${draft.source}: ${problem}`);
      return [];
    }
    used.add(name);
    return [{ name, source: draft.source, line: draft.line, text: written }];
  });
  const inOrder = warnings.toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0));
  return { tool: isRegsync ? 'regsync' : 'skopeo', blocks, warnings: inOrder, leftOut };
}

/** Why the reader of entrepot.toml would refuse a block. */
function problemOf(block: string): string | undefined {
  const { problems } = readServerToml({ file: 'block', text: block }, '/');
  return problems.length === 0 ? undefined : problems.map(({ message }) => message).join('; ');
}

/** The registries of `blocks`, each once. */
export function registriesOf(blocks: readonly TranslatedBlock[]): readonly string[] {
  return [...new Set(blocks.map(({ source }) => hostOf(source)))];
}
