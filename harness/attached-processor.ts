import { Processor } from '../src/aarch64/mapping/processor.ts';
import type { TlbMaintenance } from '../src/aarch64/mapping/tlb-maintenance.ts';
import type { PhysicalMemory } from '../src/memory/physical-memory.ts';
import type { AArch64Registers } from '../src/registers.ts';
import type { LiveGuest } from './live-guest.ts';
import { type GuestImage, type Machine, MachineError, type Observations, type ProbeList } from './machine.ts';

/**
 * A running guest as the processor of AArch64 mappings. A mapping's `activate` and `deactivate` write the base register
 * there, and the TLB maintenance that its changes return is executed there. What the mappings change in memory reaches
 * the guest, in its order with these, before its next access.
 */
export class AttachedProcessor {
  /** For `activate` and `deactivate`. */
  readonly processor: Processor;
  readonly #machine: Machine;
  readonly #guest: LiveGuest;
  readonly #memory: PhysicalMemory;

  private constructor(
    machine: Machine,
    guest: LiveGuest,
    memory: PhysicalMemory,
    registers: AArch64Registers,
  ) {
    this.#machine = machine;
    this.#guest = guest;
    this.#memory = memory;
    this.processor = new Processor(registers, {
      install: async (next) => {
        if (guest.switchTables === undefined) {
          throw new MachineError(machine.name, 'unfit', 'its tables cannot be exchanged while it runs');
        }
        await guest.update();
        await guest.switchTables(next);
      },
    });
  }

  /**
   * Loads registers and all memory in which mappings are or will be.
   * @throws MachineError as Machine.load; 'unfit' if the machine's tables cannot change while it runs
   */
  static async attach(
    machine: Machine,
    memory: PhysicalMemory,
    registers: AArch64Registers,
  ): Promise<AttachedProcessor> {
    if (machine.loadLive === undefined) {
      throw new MachineError(machine.name, 'unfit', 'its tables cannot change while it runs');
    }
    const guest = await machine.loadLive({ memory, registers });
    return new AttachedProcessor(machine, guest, memory, registers);
  }

  /** What is in force: the memory, and the registers with what the mappings have loaded. */
  get image(): GuestImage {
    return { memory: this.#memory, registers: this.processor.registers };
  }

  /** Executes what a change has returned. Without this, old translations may stay in force. */
  async carryOut(maintenance: TlbMaintenance): Promise<void> {
    await this.#guest.update();
    if (maintenance.length > 0) await this.#guest.invalidate(maintenance);
  }

  /** Performs accesses under the tables as they are now, and under what the TLB still holds of the tables as they were. */
  async probe(probes: ProbeList): Promise<Observations> {
    await this.#guest.update();
    return this.#machine.probe(probes);
  }

  /** As LiveGuest.peek. */
  async peek(addresses: readonly bigint[]): Promise<(bigint | undefined)[]> {
    await this.#guest.update();
    return this.#guest.peek(addresses);
  }
}
