/** Told of by `NOTIFY` when deliveries wait that did not, or a sink is free. */
export const outboxChannel = 'entrepot_outbox';
