/**
 * `entrepot sync --from FILE`: prints what a file of regsync or `skopeo sync` says to bring, as `[[sync]]` blocks for entrepot.toml.
 * What they do not say, and registries that registries.conf does not list, are warnings. Nothing is run, and no host is asked.
 */
import { resolve } from 'node:path';
import type { ConfigWarning } from '../../config/config.ts';
import { readTextFile } from '../../config/files/text-file.ts';
import {
  registriesOf,
  type TranslatedBlock,
  translateSyncs,
} from '../../config/foreign-syncs/translate-syncs.ts';
import { type LoadOptions, loadWhatIsRight } from '../../config/load.ts';
import { listsRegistry } from '../../config/registries-conf/match.ts';
import { EntrepotError } from '../../errors.ts';
import type { Result } from '../output/result.ts';

/** Exit code 3 if some entries have no block, 1 if none has one. Throws EntrepotError CONFIG_INVALID, CONFIG_UNREADABLE. */
export function syncFrom(file: string, options: LoadOptions): Result {
  const text = readTextFile(resolve(options.cwd, file));
  if (text === undefined) throw new EntrepotError('CONFIG_UNREADABLE', 'there is no such file', { file });
  const { server, registries, serverFile } = loadWhatIsRight(options);
  const taken = server.syncs.map(({ name }) => name);
  const { tool, blocks, warnings, leftOut } = translateSyncs(text, file, taken);
  const unlisted =
    registries && server.routing.unlisted === 'refuse'
      ? registriesOf(blocks).filter((registry) => !listsRegistry(registries, registry))
      : [];
  const missing: readonly ConfigWarning[] = unlisted.map((registry) => ({
    file: 'registries.conf',
    message: `lists no registry ${registry}: add [[registry]] with location = "${registry}", or nothing of it can be brought`,
  }));
  const all = [...warnings, ...missing];
  return {
    exitCode: leftOut === 0 ? 0 : blocks.length === 0 ? 1 : 3,
    json: {
      tool,
      blocks: blocks.map(({ name, source, line, text }) => ({ name, source, line, toml: text })),
      warnings: all.map(({ file, line, message }) => ({ file, line: line ?? null, message })),
      unlisted,
    },
    text: blocks.map((block) => `# ${placed(file, block)}\n${block.text}`).join('\n'),
    warnings: [
      ...all.map(
        ({ file, line, message }) => `${file}${line === undefined ? '' : `:${line}`}: warning: ${message}\n`,
      ),
      `add the blocks to ${serverFile ?? 'entrepot.toml'}, then try "entrepot check" and "entrepot sync --dry-run"\n`,
    ].join(''),
  };
}

/** A comment of TOML holds no control characters. */
function placed(file: string, { line }: TranslatedBlock): string {
  return `${file.replaceAll(/[\x00-\x1f\x7f]+/g, ' ')}:${line}`;
}
