import { aarch64PagingDriver } from './aarch64-paging.ts';
import type { GoldenDriver } from './driver.ts';
import { patinaDriver } from './patina.ts';
import { x86_64Driver } from './x86-64.ts';

/** The drivers of the crates whose vectors can be replayed. A vector file of another crate is not yet supported. */
export const DRIVERS: readonly GoldenDriver[] = [patinaDriver, x86_64Driver, aarch64PagingDriver];

/** The driver for the vectors of a crate, or undefined. */
export function driverFor(crate: string): GoldenDriver | undefined {
  return DRIVERS.find((driver) => driver.crate === crate);
}
