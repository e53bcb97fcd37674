module.exports = require('cqrs-domain').defineContext({ name: 'parking' });
