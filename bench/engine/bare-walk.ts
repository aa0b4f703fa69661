import { checkEqual, type Workload } from '../workload.ts';
import { PERMUTED, SEQUENTIAL, strided } from './addresses.ts';

const CALLS = 1_000_000;
const TABLE_FRAMES = 2064;
const ENTRIES = 512;

const words = new Uint32Array(TABLE_FRAMES * ENTRIES * 2);
let nextTable = 1;

/**
 * A walk through three tables and a store, with no check at all and nothing around it: how fast this machine is at
 * the moment. On an idle one it takes 7 to 8 ns; what a run says of the engine should be read beside it.
 */
export const BARE_WORKLOADS: readonly Workload[] = [
  bareWorkload('sequential', SEQUENTIAL),
  bareWorkload('permuted', PERMUTED),
];

function bareWorkload(order: string, stride: number): Workload {
  return {
    id: `bare/walk-and-store-${order}`,
    units: CALLS,
    nativeNs: undefined,
    prepare() {
      words.fill(0);
      nextTable = 1;
      return {
        run() {
          for (let call = 0; call < CALLS; call++) mapPage(strided(call, stride));
        },
        check() {
          for (let call = 0; call < CALLS; call += 997) {
            const page = strided(call, stride);
            checkEqual('entry', words[leafOf(page)] as number, (page << 12) >>> 0);
          }
        },
      };
    },
  };
}

function mapPage(page: number): void {
  words[leafOf(page)] = page << 12;
}

function leafOf(page: number): number {
  let table = 0;
  for (let shift = 27; shift > 0; shift -= 9) {
    const at = (table << 10) | (((page >>> shift) & (ENTRIES - 1)) << 1);
    if ((words[at] as number) === 0) words[at] = nextTable++;
    table = words[at] as number;
  }
  return (table << 10) | ((page & (ENTRIES - 1)) << 1);
}
