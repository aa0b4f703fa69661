/** The verification: inputs, machines, verdicts. */
export {
  type Capabilities,
  type GuestImage,
  type Machine,
  MachineError,
  type MachineErrorCode,
  type MachineOptions,
  type MachineProvider,
  type Observations,
  type ProbeList,
} from './machine.ts';
export {
  MACHINES,
  MachineSelectionError,
  type RegisteredMachine,
  selectMachines,
} from './machines/registry.ts';
