/** `entrepot render FORMAT`: what is in force, for a client. Contacts no host. */
import { resolve } from 'node:path';
import { type LoadOptions, loadConfig } from '../../config/load.ts';
import { readReference } from '../../config/named-images.ts';
import { parseMirrorAddress } from '../../config/render/mirror-address.ts';
import { render } from '../../config/render/render.ts';
import type { Rendered, RenderFormat, RenderWarning } from '../../config/render/rendered.ts';
import { writeRendered } from '../../config/render/write-rendered.ts';
import { EntrepotError } from '../../errors.ts';
import { referenceName } from '../../oci/reference.ts';
import type { Result } from '../output/result.ts';

export interface RenderFlags {
  readonly json?: true;
  readonly for?: string;
  readonly insecure?: true;
  readonly ca?: string;
  readonly only?: readonly string[];
  readonly sealed?: true;
  readonly out?: string;
  readonly force?: true;
}

/** Exit code 0 with warnings, too. Throws EntrepotError USAGE, OUTPUT_UNUSABLE, and for a configuration that cannot be used. */
export function renderFor(format: RenderFormat, flags: RenderFlags, options: LoadOptions): Result {
  const mirrorOf = mirrorFrom(flags);
  const only = flags.only?.map(repositoryOf);
  const { out } = flags;
  if (format === 'hosts.toml' && out === undefined && !flags.json) {
    throw new EntrepotError(
      'USAGE',
      'hosts.toml is one file for each registry: name their folder with --out DIR',
    );
  }
  if (out === undefined && flags.force) throw new EntrepotError('USAGE', '--force needs --out');
  const result = render(format, loadConfig(options), { mirrorOf, only, sealed: flags.sealed });
  const isFolder = format === 'hosts.toml' || (out?.endsWith('/') ?? false);
  const written =
    out === undefined
      ? undefined
      : writeRendered(result, resolve(options.cwd, out), { isFolder, force: flags.force ?? false });
  return {
    exitCode: 0,
    json: {
      format,
      files: result.files,
      warnings: result.warnings.map(warningAsJson),
      written: written ?? null,
    },
    text: written ? written.map((file) => `${file}\n`).join('') : textOf(result),
    warnings: result.warnings.map((warning) => `entrepot: warning: ${warningText(warning)}\n`).join(''),
  };
}

function mirrorFrom({ for: address, insecure, ca }: RenderFlags) {
  if (address !== undefined) {
    return parseMirrorAddress(address, { insecure: insecure ?? false, ...(ca !== undefined && { ca }) });
  }
  if (insecure || ca !== undefined) throw new EntrepotError('USAGE', '--insecure and --ca need --for');
  return undefined;
}

function repositoryOf(text: string): string {
  const reference = readReference(text);
  if (reference.tag === undefined && reference.digest === undefined) return referenceName(reference);
  throw new EntrepotError('USAGE', `--only ${text}: a repository has neither tag nor digest`);
}

function textOf({ files }: Rendered): string {
  return files.map(({ text }) => text).join('\n');
}

function warningText({ entry, mirror, key, message }: RenderWarning): string {
  return [entry, mirror === undefined ? undefined : `mirror ${mirror}`, key, message]
    .filter((part) => part !== undefined)
    .join(': ');
}

function warningAsJson({ entry, mirror, key, message }: RenderWarning) {
  return { entry: entry ?? null, mirror: mirror ?? null, key, message };
}
