const cqrs = require('cqrs-domain');

module.exports = [
  cqrs.defineAggregate(
    { name: 'ticket', defaultCommandPayload: 'payload', defaultEventPayload: 'payload', defaultPreConditionPayload: 'payload' },
    { paid: 0, lost: false },
  ),

  cqrs.defineCommand({ name: 'issueTicket', existing: false }, (data, ticket) => ticket.apply('ticketIssued', data)),
  cqrs.defineCommand({ name: 'payTicket', existing: true }, (data, ticket) => ticket.apply('ticketPaid', data)),
  // Two events of one commit: both are there, or neither is.
  cqrs.defineCommand({ name: 'reportTicketLost', existing: true }, (data, ticket) => {
    ticket.apply('ticketLost', data);
    ticket.apply('ticketPaid', { cents: data.fee });
  }),

  cqrs.defineBusinessRule({ name: 'paidOnce', description: 'a ticket is paid once' }, (ticket, before, events, command, done) => {
    done(ticket.get('paid') > 1 ? 'the ticket is paid already' : null);
  }),

  cqrs.defineEvent({ name: 'ticketIssued' }, ({ plate }, ticket) => ticket.set('plate', plate)),
  cqrs.defineEvent({ name: 'ticketPaid' }, (data, ticket) => ticket.set('paid', ticket.get('paid') + 1)),
  cqrs.defineEvent({ name: 'ticketLost' }, (data, ticket) => ticket.set('lost', true)),
];
