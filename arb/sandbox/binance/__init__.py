"""The sandbox's dialect of Binance: spot, REST and websocket API v3."""
