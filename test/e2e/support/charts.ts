/** A Helm chart, as helm packages it. */
import { join } from 'node:path';
import { place } from './client.ts';
import { type Environment, run } from './programs.ts';

/** Its tag in a registry has an underscore in the place of the plus. */
export const chartVersion = '0.1.0+build.1';

/** Makes `folder`/pushed/chart-VERSION.tgz, of a chart named `chart`; gives its path. */
export async function packageChart(folder: string, env: Environment): Promise<string> {
  place(join(folder, 'chart/Chart.yaml'), `apiVersion: v2\nname: chart\nversion: ${chartVersion}\n`);
  place(join(folder, 'chart/templates/map.yaml'), 'apiVersion: v1\nkind: ConfigMap\n');
  await run('helm', ['package', '--destination', join(folder, 'pushed'), join(folder, 'chart')], env);
  return join(folder, 'pushed', `chart-${chartVersion}.tgz`);
}
