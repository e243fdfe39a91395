/**
 * `--config-for HOST` of `entrepot export`: what clients of the other site need to get exactly the exported images from the Entrepot
 * there, in `NAME.config/` beside the bundle.
 */
import type { Config } from '../../config/config.ts';
import { type MirrorAddress, parseMirrorAddress } from '../../config/render/mirror-address.ts';
import { render } from '../../config/render/render.ts';
import type { RenderFormat, RenderWarning } from '../../config/render/rendered.ts';
import { writeRendered } from '../../config/render/write-rendered.ts';
import { EntrepotError } from '../../errors.ts';
import { parseReference, referenceName } from '../../oci/reference.ts';

/** daemon.json is left out: it can name mirrors of Docker Hub alone, and none of a repository. */
const formats: readonly RenderFormat[] = ['idms', 'itms', 'registries.conf', 'hosts.toml', 'registries.yaml'];

export interface ClientFiles {
  /** Paths, sorted. */
  readonly files: readonly string[];
  /** What some client does not understand: sentences. */
  readonly notes: readonly string[];
}

/** The address that `--config-for` gives; undefined without it. Throws EntrepotError USAGE. */
export function addressOf(flags: {
  readonly configFor?: string;
  readonly sealed?: true;
}): MirrorAddress | undefined {
  if (flags.configFor !== undefined) return parseMirrorAddress(flags.configFor);
  if (flags.sealed) throw new EntrepotError('USAGE', '--sealed needs --config-for');
  return undefined;
}

/** `references`: of the exported images. `to`: of the bundle. Throws EntrepotError OUTPUT_UNUSABLE. */
export function writeClientFiles(
  config: Pick<Config, 'registries' | 'server'>,
  references: readonly string[],
  {
    to,
    mirrorOf,
    sealed,
  }: { readonly to: string; readonly mirrorOf: MirrorAddress; readonly sealed: boolean },
): ClientFiles {
  const only = references.flatMap((text) => {
    const parsed = parseReference(text);
    return parsed.ok ? referenceName(parsed.value) : [];
  });
  const all = formats.map((format) => render(format, config, { mirrorOf, only, sealed }));
  const files = all.flatMap((rendered) =>
    writeRendered(rendered, `${to}.config`, { isFolder: true, force: false }),
  );
  // Each of the two kinds of sets of mirrors asks for the other one, and both are written.
  const isOfUse = ({ entry, key }: RenderWarning) => entry !== undefined || key !== 'pull-from-mirror';
  const notes = all
    .flatMap(({ warnings }) => warnings.filter(isOfUse))
    .map(({ entry, key, message }) => [entry, key, message].filter((part) => part !== undefined).join(': '));
  return { files: files.toSorted(), notes: [...new Set(notes)] };
}
