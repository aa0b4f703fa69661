import { operationRecords } from '../../../guest-stubs/aarch64/live-records.ts';
import { peekedValues, peekRecords } from '../../../guest-stubs/aarch64/peek-records.ts';
import type { TlbiName } from '../../../src/aarch64/mapping/tlb-maintenance.ts';
import { hex } from '../../../src/addresses.ts';
import type { PhysicalMemory } from '../../../src/memory/physical-memory.ts';
import type { AArch64Registers, ExceptionLevel, Registers } from '../../../src/registers.ts';
import {
  aarch64Operations,
  differOnlyInTables,
  type LiveGuest,
  type TlbOperation,
} from '../../live-guest.ts';
import { MachineError, machineErrorOf } from '../../machine.ts';
import { ImageShadow } from '../image-shadow.ts';
import type { AArch64UnicornGuest } from './aarch64-guest.ts';
import { Batch, MAX_BATCH } from './batch.ts';

const MACHINE = 'unicorn-aarch64';

/** What can be executed at the level of the loop: there is no monitor above it. */
const CARRIED_OUT: Readonly<Record<ExceptionLevel, ReadonlySet<TlbiName>>> = {
  1: new Set<TlbiName>(['VAAE1IS', 'VMALLE1IS']),
  2: new Set<TlbiName>(['VAE2IS', 'ALLE2IS']),
  3: new Set<TlbiName>(['VAE3IS', 'ALLE3IS']),
};

/** The host's side of a guest whose tables change. */
export class AArch64UnicornLiveGuest implements LiveGuest {
  readonly #guest: AArch64UnicornGuest;
  readonly #shadow: ImageShadow;
  #registers: AArch64Registers;

  constructor(guest: AArch64UnicornGuest, registers: AArch64Registers, memory: PhysicalMemory) {
    this.#guest = guest;
    this.#registers = registers;
    this.#shadow = new ImageShadow(memory);
  }

  async update(): Promise<void> {
    try {
      this.#shadow.takeChanges((address, low, high) => this.#guest.writeEntry(address, low, high));
    } catch (cause) {
      throw machineErrorOf(MACHINE, cause);
    }
  }

  async invalidate(operations: readonly TlbOperation[]): Promise<void> {
    const own = aarch64Operations(MACHINE, operations);
    const level = this.#registers.exceptionLevel;
    for (const operation of own) {
      if (operation.kind !== 'tlbi' || CARRIED_OUT[level].has(operation.name)) continue;
      throw new MachineError(MACHINE, 'unfit', `TLBI ${operation.name} cannot be executed at EL${level}`);
    }
    for (let at = 0; at < own.length; at += MAX_BATCH) {
      const records = operationRecords(own.slice(at, at + MAX_BATCH));
      this.#guest.operate(new Uint32Array(records.buffer));
    }
  }

  async switchTables(registers: Registers): Promise<void> {
    if (!differOnlyInTables(this.#registers, registers)) {
      throw new MachineError(MACHINE, 'unfit', 'only TTBR0 and TTBR1 can change while it runs');
    }
    try {
      this.#guest.switchTables(registers);
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause;
      throw new MachineError(MACHINE, 'unfit', cause.message, { cause });
    }
    this.#registers = registers;
  }

  async peek(addresses: readonly bigint[]): Promise<(bigint | undefined)[]> {
    const values: (bigint | undefined)[] = [];
    for (let at = 0; at < addresses.length; at += MAX_BATCH) {
      const some = addresses.slice(at, at + MAX_BATCH);
      const accesses = peekRecords(some);
      const batch = new Batch(accesses, 0);
      const places = some.map((address, index) => {
        batch.add(index);
        return this.#placeFor(address);
      });
      this.#guest.run(places[0] as number, batch);
      values.push(...peekedValues(some, this.#guest.results));
    }
    return values;
  }

  /** @throws MachineError 'unfit' for an address at which the stub is */
  #placeFor(address: bigint): number {
    const [low, high] = [Number(address & 0xffff_ffffn), Number(address >> 32n)];
    const place = this.#guest.placesFor(low, high, -1)[0];
    if (place !== undefined) return place;
    throw new MachineError(MACHINE, 'unfit', `${hex(address)} cannot be read: the stub is there`);
  }
}
