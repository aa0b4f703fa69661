import type { Capabilities, MachineOptions, MachineProvider } from '../harness/machine.ts';
import { MachineError } from '../harness/machine.ts';
import { KNOWN_ALL } from '../src/outcome-list.ts';
import { QEMU_EXECUTABLE } from './aarch64-guest.ts';
import { AArch64Machine } from './aarch64-machine.ts';
import { qemuVersion } from './qemu-version.ts';

export const MACHINE_NAME = 'qemu-aarch64';

/** QEMU TCG on a board without devices; the CPU model is the image's, `max` where it names none. */
export const qemuAArch64: MachineProvider = {
  name: MACHINE_NAME,
  architecture: 'aarch64',

  async detect() {
    const qemu = await qemuVersion(QEMU_EXECUTABLE, 'qemu-system-arm');
    return qemu.found
      ? { available: true, capabilities: capabilitiesOf(qemu.version) }
      : { available: false, reason: qemu.reason };
  },

  async open(options: MachineOptions = {}) {
    const detected = await this.detect();
    if (!detected.available) throw new MachineError(MACHINE_NAME, 'absent', detected.reason);
    return new AArch64Machine(MACHINE_NAME, detected.capabilities, options);
  },
};

function capabilitiesOf(version: string): Capabilities {
  return {
    architecture: 'aarch64',
    version,
    observes: KNOWN_ALL,
    features: [
      'EL1&0',
      'EL2',
      'EL2&0',
      'EL3',
      'stage 2',
      '4K',
      '16K',
      '64K',
      'IPS',
      'HPDS',
      'HAFDBS',
      'E0PD',
      'TBI',
      'LPA',
      'LVA',
      'LPA2',
    ],
    limits: [
      'the physical address and the memory type come from PAR_EL1 of an AT beside the access; in its RAM a data tag confirms the address',
      'a fetch from a frame of the image is made only where its content is harmless to execute',
      'with TCR.TBID a fetch from a tagged address is let through once data at that address has been accessed',
      'whether runs of contiguous entries agree is not checked',
      'of EL0 in EL2&0 there is no AT: address and memory type come from one of EL2',
      'of stage 2 below stage 1, a probe that leads to the intermediate addresses of the stub has no answer; they are where stage 1 leads to nothing if there is such a place',
      'what stage 2 lets be written or executed and not read is neither written nor executed: of writes AT alone answers',
      'a TLBI of one address ends data translations of others too: what an operand names shows in fetches',
      'while tables change only one half of the address space is probed, the one that is probed first, and only in RAM the place of an access is known; of its memory type only AT tells, which walks the tables anew',
      'EL2 and stage 2 of Secure state, HCR_EL2.CD, ID and FWB at stage 2, and roots of stage 2 without two free entries are not supported yet',
      'with FEAT_LPA2 stage 2 is walked from level 0 with pages of 4 KiB only, and from level −1 with addresses of 52 bits only: other images are refused',
      'QEMU ends itself at a block descriptor in a root at level −1, and where stage 2 forbids to read such a root: these images are refused',
    ],
  };
}
