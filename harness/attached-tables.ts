import type { MappedPageTable } from '../src/x64/mapper/mapped-page-table.ts';
import type { FlushLedger, TlbSink } from '../src/x64/mapper/mapper-flush.ts';
import type { LiveGuest, TlbOperation } from './live-guest.ts';
import { type GuestImage, type Machine, MachineError, type Observations, type ProbeList } from './machine.ts';

/**
 * A mapper's tables in a running guest. The mapper's `flush()` becomes INVLPG there and `flushAll()` a CR3 reload;
 * changes and invalidations reach the guest, in their order, before its next access.
 */
export class AttachedTables implements TlbSink {
  readonly #machine: Machine;
  readonly #guest: LiveGuest;
  readonly #ledger: FlushLedger;
  #pending: TlbOperation[] = [];

  private constructor(machine: Machine, guest: LiveGuest, tables: MappedPageTable) {
    this.#machine = machine;
    this.#guest = guest;
    this.#ledger = tables.attach(this);
  }

  /**
   * Loads an image and attaches the mapper of its tables. Flushes that the mapper promised before concern nobody.
   * @throws MachineError as Machine.load; 'unfit' if the machine's tables cannot change while it runs
   */
  static async attach(machine: Machine, image: GuestImage, tables: MappedPageTable): Promise<AttachedTables> {
    if (machine.loadLive === undefined) {
      throw new MachineError(machine.name, 'unfit', 'its tables cannot change while it runs');
    }
    return new AttachedTables(machine, await machine.loadLive(image), tables);
  }

  invalidatePage(address: bigint): void {
    this.#pending.push({ kind: 'invlpg', address });
  }

  invalidateAll(): void {
    this.#pending.push({ kind: 'reload-cr3' });
  }

  /** Invalidates everything, global pages too: what no promise of a mapper asks for. */
  invalidateGlobal(): void {
    this.#pending.push({ kind: 'toggle-pge' });
  }

  /**
   * Performs accesses under the tables as they are now, and under what the TLB still holds of the tables as they were.
   * @throws Error naming every promise of the mapper that was neither flushed nor ignored
   */
  async probe(probes: ProbeList): Promise<Observations> {
    await this.#settle();
    return this.#machine.probe(probes);
  }

  /** As LiveGuest.peek. @throws Error as {@link probe} */
  async peek(addresses: readonly bigint[]): Promise<(bigint | undefined)[]> {
    await this.#settle();
    return this.#guest.peek(addresses);
  }

  async #settle(): Promise<void> {
    this.#ledger.assertSettled();
    const operations = this.#pending;
    this.#pending = [];
    await this.#guest.update();
    if (operations.length > 0) await this.#guest.invalidate(operations);
  }
}
