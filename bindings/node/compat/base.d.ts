import Store = require('../lib/base.js');
export = Store;
